"""Memory with a preferred NUMA node: from the processors' own memory, while that has some.

`numa_node=` says where physical pages are taken from when they are first touched; when that node
has none left, they come from another. `query` tells where a page has come from.

On a machine with a single node, as most are, this works too, and there is nothing to choose.

    python docs/recipes/preferred_node.py
"""

from __future__ import annotations

import growable
from growable import Region

SIZE = 1 << 20


def node_of(region: Region) -> int | None:
    """Touch the first page, and return the node it has come from."""
    with region.view(0, 1) as first:
        first[0] = 1
    return region.query(0).node


def main() -> None:
    nodes = growable.info()["numa_nodes"]
    if not growable.capabilities()["prefer_node"]:
        print("this system offers no choice of nodes")
        try:
            Region(SIZE, numa_node=0)
        except growable.UnsupportedError as error:
            print(error)
        return

    for node in range(nodes):
        try:
            region = Region(SIZE, numa_node=node, commit=True)
        except growable.ReservationError as error:  # not for this process, say in a container
            print(f"node {node}: {error}")
            continue
        print(f"node {node} preferred: the first page came from node {node_of(region)}")
        print(region.pages())
        region.release()
    if nodes == 1:
        print("this machine has one node: nothing to choose, and the same calls")

    try:
        Region(SIZE, numa_node=nodes)
    except ValueError as error:
        print("a node that is not there:", error)


if __name__ == "__main__":
    main()
