"""The doors to the outside: documents, notebooks, the gallery, the command line."""
