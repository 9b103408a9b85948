"""Shards: samples in tar files, as WebDataset lays them out, with an index of where each lies.

``write.write_shards`` makes them of any source; ``sources/shards.py`` is the source that reads
them. Nothing in a shard is unpacked to disk, followed as a link, or unpickled.

Format: WebDataset, "The WebDataset Format" (Aizman, Maltby and Breuel 2019, arXiv:2001.01858, §IV);
POSIX.1-2001 (pax) and ustar for the tar itself.
"""
