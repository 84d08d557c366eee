"""The smallest number of Gaussian measurements that recovers, beside Theorem 3.2's bound and the information limit."""
