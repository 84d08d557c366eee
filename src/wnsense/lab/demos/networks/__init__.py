"""The demo of weight-normalized networks on digits."""
