"""What turns docs/ into a site, beside MkDocs: equations, tables made from the code, pages that lie at the root."""
