"""Our parts in other projects' frames; each module here needs the project that it is named after."""
