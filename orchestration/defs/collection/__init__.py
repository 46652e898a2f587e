"""Collection: landed files become typed raw rows, one partition per load date."""
