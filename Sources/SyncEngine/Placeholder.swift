enum PlaceholderSyncEngine {}
