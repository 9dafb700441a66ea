"""What is judged: the exercises of each chapter, and beside them the pictures of what they ask."""
