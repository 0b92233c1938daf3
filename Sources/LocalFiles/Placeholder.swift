enum PlaceholderLocalFiles {}
