"""What a migration starts from: objects of a cluster or of files, and what names an issuer among them."""
