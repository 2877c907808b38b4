"""What the studio answers over HTTP, a file a subject; each adds its routes to the service's."""
