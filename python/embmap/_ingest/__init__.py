"""How stores come to be: files, models, tables, other libraries' vectors."""
