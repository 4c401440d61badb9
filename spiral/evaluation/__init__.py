"""How well it paints: LeNet-FID against real digits, class histogram, MSE against targets."""
