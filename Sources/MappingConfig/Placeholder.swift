enum PlaceholderMappingConfig {}
