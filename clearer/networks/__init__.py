"""Networks of torch: the modules, the network of one architecture, the supernet."""
