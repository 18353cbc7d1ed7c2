"""Networks in torch: their modules, the network of one architecture, the supernet."""
