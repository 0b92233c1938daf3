enum PlaceholderFolderWatch {}
