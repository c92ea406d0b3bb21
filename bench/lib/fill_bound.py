"""What no placement of a workload on a cluster passes: a linear relaxation, solved exactly.

Pods may be split, refused and spread over all nodes of one shape as if these were one machine;
memory is left out. What stays: cores of each shape of node, models, and that the parts of one GPU
add up to at most the whole. Of the last, the patterns are made one by one where they would help
(Gilmore and Gomory 1961): an unbounded knapsack over thousandths for each shape of node.
"""

import collections
import csv

import numpy
import scipy.optimize
import scipy.sparse

ROUNDS_MAX = 60
GAIN_MIN = 1e-6


def rows_of(path):
    with open(path) as file:
        return list(csv.DictReader(file))


def kinds_of(pods, factor):
    """{(cpu, share, gpus, models): how many arrive}."""
    counts = collections.Counter()
    for pod in pods:
        gpus = int(pod["num_gpu"])
        models = frozenset(name for name in (pod.get("gpu_spec") or "").split("|") if name)
        counts[(int(pod["cpu_milli"]), int(pod["gpu_milli"]) if gpus else 0, gpus, models)] += 1
    return {kind: count * factor for kind, count in counts.items()}


def best_pattern(shares, values):
    """The parts of one GPU that are worth most; (worth, {place: count})."""
    worth = numpy.zeros(1001)
    chosen = numpy.full(1001, -1)
    for size in range(1, 1001):
        worth[size] = worth[size - 1]
        for place, share in enumerate(shares):
            if share <= size and worth[size - share] + values[place] > worth[size] + 1e-12:
                worth[size] = worth[size - share] + values[place]
                chosen[size] = place
    pattern, size = collections.Counter(), 1000
    while size > 0:
        if chosen[size] < 0:
            size -= 1
            continue
        pattern[int(chosen[size])] += 1
        size -= shares[chosen[size]]
    return worth[1000], pattern


class Relaxation:
    """Variables: pods of a kind on a shape of node, then GPUs of a shape cut by a pattern."""

    def __init__(self, nodes, kinds):
        self.shapes = collections.Counter()
        for node in nodes:
            self.shapes[int(node["cpu_milli"]), int(node["gpu"]), node["model"]] += 1
        self.kinds = [kind for kind in kinds if kind[2] > 0]
        self.counts = [kinds[kind] for kind in self.kinds]
        self.shares = sorted({kind[1] for kind in self.kinds})
        self.pods = [(k, s) for k, kind in enumerate(self.kinds)
                     for s, shape in enumerate(self.shapes)
                     if not kind[3] or shape[2] in kind[3]]
        self.patterns = [(s, collections.Counter({place: 1000 // share}))
                         for s in range(len(self.shapes))
                         for place, share in enumerate(self.shares)]

    def solve(self):
        shapes, shares, kinds = len(self.shapes), len(self.shares), len(self.kinds)
        rows, columns, entries = [], [], []

        def put(row, column, entry):
            rows.append(row)
            columns.append(column)
            entries.append(entry)

        cost = []
        for column, (k, s) in enumerate(self.pods):
            cpu, share, gpus, _ = self.kinds[k]
            cost.append(-share * gpus)
            put(k, column, 1)
            put(kinds + s, column, cpu)
            put(kinds + shapes + s * shares + self.shares.index(share), column, gpus)
        for column, (s, pattern) in enumerate(self.patterns, len(self.pods)):
            cost.append(0)
            for place, count in pattern.items():
                put(kinds + shapes + s * shares + place, column, -count)
            put(kinds + shapes + shapes * shares + s, column, 1)
        limits = list(self.counts)
        limits += [shape[0] * count for shape, count in self.shapes.items()]
        limits += [0] * (shapes * shares)
        limits += [shape[1] * count for shape, count in self.shapes.items()]
        matrix = scipy.sparse.csr_matrix((entries, (rows, columns)),
                                         shape=(len(limits), len(cost)))
        return scipy.optimize.linprog(cost, A_ub=matrix, b_ub=limits, method="highs")

    def bound(self):
        """GPU thousandths."""
        for _ in range(ROUNDS_MAX):
            done = self.solve()
            duals = -done.ineqlin.marginals
            shapes, shares, kinds = len(self.shapes), len(self.shares), len(self.kinds)
            more, slack = [], 0.0
            for s, (shape, count) in enumerate(self.shapes.items()):
                first = kinds + shapes + s * shares
                price = duals[kinds + shapes + shapes * shares + s]
                worth, pattern = best_pattern(self.shares, duals[first:first + shares])
                if worth > price + GAIN_MIN:
                    more.append((s, pattern))
                    slack += (worth - price) * shape[1] * count
            if not more:
                break
            self.patterns += more
        return -done.fun + slack  # with what patterns not yet there could add at most


def bound(nodes_path, pods_path, arrived_percent):
    """The most per cent of all GPUs that can be allocated once so much has arrived, where the
    arrivals are as the workload, scaled."""
    nodes, pods = rows_of(nodes_path), rows_of(pods_path)
    capacity = 1000 * sum(int(node["gpu"]) for node in nodes)
    asked = sum(int(pod["gpu_milli"]) * int(pod["num_gpu"]) for pod in pods)
    kinds = kinds_of(pods, capacity * arrived_percent / 100 / asked)
    return 100 * Relaxation(nodes, kinds).bound() / capacity
