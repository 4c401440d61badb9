"""What every service shares: its shell, its options, its metrics and the page that shows them."""
