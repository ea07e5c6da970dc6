"""What an equation is made of: expressions over vectors, functions, the order of terms."""
