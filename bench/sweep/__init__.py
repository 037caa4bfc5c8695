"""A sweep file (YAML) -> a Sweep: named, ordered runs, each complete and with its id; or what is wrong, by line.

    read       document   bytes -> tree with lines and columns, within limits   (scalars: YAML 1.2 core forms)
    shape      sections   name, base, grid, zip, include, exclude, ...  (overrides: --set)
    expand     cells      what each run sets and where that is written          (exclusion: exclude)
    check      check      a cell -> a resolved RunConfig, or its faults         (wording: in the file's own terms)
    name       readable   pidnet_s-urban-ohem-poly-source_only-s0               (selection: -k)

A key of `base`, `grid`, `zip`, `include` or `exclude` is a field of RunConfig or, for one option of a component,
`optimizer.lr`.  A whole field replaces the field; options are set over it afterwards.  `grid` is a product, the lists
of `zip` go together, both are crossed with `seeds`; `exclude` takes cells out of that, `include` adds cells to it.
"""

from bench.sweep.load import load_sweep, locator, problems
from bench.sweep.overrides import option_values

__all__ = ["load_sweep", "locator", "option_values", "problems"]
