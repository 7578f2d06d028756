"""What a store can be made into: files, other libraries' objects, tensors."""
