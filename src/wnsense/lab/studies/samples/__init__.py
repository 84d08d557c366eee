"""Study of the smallest number of Gaussian measurements that recovers, beside bound and information limit."""
