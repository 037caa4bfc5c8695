"""Somebody's published results table -> what of it cannot be, in words.  No torch, no network; nothing is measured.

`reading` and `markup` get tables out of a file, `columns` and `figures` say what cells mean, `rows` puts them together,
`known` and `devices` hold what is known of networks and cards, and the checks compare.
"""
