enum PlaceholderSQLiteQueue {}
