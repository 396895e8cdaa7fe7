"""Exercises of notebooks/labs/6_where_is_the_knowledge.ipynb."""

import numpy as np

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, numbers, one_number

PARAMETERS = np.array([0.5, 2.0, -1.0, 0.0, 1.0])  # L + 1 = 5
# The minimum spanning tree is no chain, no star and not every word's nearest neighbor.
DISTANCES = np.array(
    [
        [0, 5, 2, 9, 8, 12],
        [5, 0, 4, 10, 11, 13],
        [2, 4, 0, 7, 6, 14],
        [9, 10, 7, 0, 1, 15],
        [8, 11, 6, 1, 0, 3],
        [12, 13, 14, 15, 3, 0],
    ],
    dtype=float,
)
TREE = [(0, 2), (1, 2), (2, 4), (3, 4), (4, 5)]


def _distances(seed, count):
    """Return a symmetric matrix of different distances."""
    above = np.triu(np.random.default_rng(seed).permutation(count**2).reshape(count, count) + 1.0, k=1)
    return above + above.T


def _softmax(x):
    powers = np.exp(x - x.max())
    return powers / powers.sum()


def check_memorizer(answer):
    got = float(one_number(answer, "the accuracy, from 0 to 1."))
    reasons = [
        (92, "as a fraction, please: from 0 to 1."),
        (0.9, "it's also right for some of the words that it hasn't met."),
        (0.2, "that is the accuracy on the words that it hasn't met. It remembers the others."),
        (0.18, "it is right for every word that it has met, whatever the label."),
        (0.02, "that is what it gets from the new words. Add the words that it remembers."),
        (0.1, "that is the fraction of new words. How often is it right?"),
        (1.0, "for a word that it hasn't met, it can only pick one of five labels."),
        (0.0, "random labels can't be learned, but they can be memorized."),
    ]
    for wrong, reason in reasons:
        if abs(got - wrong) < 5e-4:
            raise WrongAnswer(reason)
    if not abs(got - 0.92) < 5e-4:  # NaN neither
        raise WrongAnswer("add what it gets from the words that it remembers and from those that it doesn't.")


def check_center(answer):
    layers, weights = np.arange(len(PARAMETERS)), _softmax(PARAMETERS)
    typical = [
        (weights, "these are the weights. Return one number: the mean layer, weighted by them."),
        (layers @ PARAMETERS, "the parameters aren't weights yet. Take their softmax first."),
        (layers @ np.exp(PARAMETERS), "the weights have to sum to 1: divide by the sum."),
        ((layers + 1) @ weights, "layer 0 is the embeddings: count from 0."),
        (weights.argmax(), "that is the layer with the largest weight. All layers count, by their weights."),
        ((layers @ weights) / len(weights), "the weights sum to 1 already. Don't divide by the number of layers."),
        (weights.mean(), "that is the mean weight. Which mean layer do the weights give?"),
        (layers.mean(), "that is the mean of all layers with equal weights."),
    ]
    compare(call(answer, PARAMETERS.copy()), layers @ weights, typical)
    try:
        compare(call(answer, np.array([0.0, 1000.0, -1000.0, 1000.0])), 2)
    except WrongAnswer as reason:
        raise WrongAnswer(
            f"it is right for small parameters, but for some of 1000 {reason} Subtract the largest first (chapter 3)."
        ) from None


def check_tree(answer):
    got = numbers(call(answer, DISTANCES.copy()))
    count = len(DISTANCES)
    comparable = got.shape == (count - 1, 2) and not np.array_equal(got, TREE)
    if comparable and set(map(frozenset, got.tolist())) == set(map(frozenset, TREE)):
        raise WrongAnswer("these are the right edges. Return them sorted, each as (i, j) with i < j.")
    nearest = {tuple(sorted((i, int(j)))) for i, j in enumerate((DISTANCES + 99 * np.eye(count)).argmin(axis=1))}
    typical = [
        ([(i, i + 1) for i in range(count - 1)], "that is the chain of neighbors. The distances decide."),
        ([(0, i) for i in range(1, count)], "that connects every word with word 0. Start from any word in the tree."),
        (sorted(nearest), "that is every word's nearest neighbor. The parts aren't connected yet."),
        (
            [(0, 5), (1, 4), (1, 5), (2, 5), (3, 5)],
            "these are the longest distances. Take the shortest.",
        ),
        ([(0, 2), (1, 2), (2, 4), (3, 4)], "the last word is missing: six words need five edges."),
    ]
    compare(got, TREE, typical)


EXERCISES = {
    "memorizer": Exercise(
        task="Compute the control accuracy of a probe that only memorizes.",
        blank="accuracy = ...",
        answer="accuracy",
        check=check_memorizer,
        correct="with a small vocabulary, a high control accuracy needs no understanding at all.",
        hints=(
            "Split the test words into those that it has met and new ones. How often is it right for each kind?",
            "The accuracy is the mean of the two, weighted by how many words there are of each.",
        ),
        solution="accuracy = 0.9 + 0.1 / 5",
    ),
    "center_of_gravity": Exercise(
        task="Compute the center of gravity of the layers from a probe's mixing parameters.",
        blank="def center_of_gravity(parameters):\n    return ...",
        answer="center_of_gravity",
        check=check_center,
        cases=(
            (np.array([0.0, 0.0]),),
            (np.array([1.5]),),
            (np.array([-800.0, 0.0, 3.0]),),
            (np.array([2.0, -1.0, 0.5, 3.0, 3.0, -2.0, 1.0]),),
        ),
        correct="it is 0 for a probe that uses only the embeddings, and L for one that uses only the last layer.",
        hints=(
            "Take the softmax of the parameters: one weight for each layer.",
            "Multiply each layer's number, from 0 to L, by its weight, and add up.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def center_of_gravity(parameters):\n"
            "    powers = np.exp(parameters - np.max(parameters))\n"
            "    return np.arange(len(powers)) @ powers / powers.sum()"
        ),
    ),
    "spanning_tree": Exercise(
        task="Find the minimum spanning tree of a matrix of distances.",
        blank="def spanning_tree(distances):\n    return ...",
        answer="spanning_tree",
        check=check_tree,
        cases=(
            ([[0, 3], [3, 0]],),
            (_distances(1, 5).tolist(),),
            (_distances(2, 7).tolist(),),
            (_distances(3, 9).tolist(),),
        ),
        correct="this is Prim's algorithm: it grows one tree, always by the shortest edge that leaves it.",
        hints=(
            "Keep a set of the words in the tree, at first only word 0.",
            "Of all pairs of a word inside and a word outside, add the one with the smallest distance. Repeat.",
        ),
        solution=(
            "def spanning_tree(distances):\n"
            "    inside, edges = {0}, []\n"
            "    while len(inside) < len(distances):\n"
            "        pairs = [(i, j) for i in inside for j in range(len(distances)) if j not in inside]\n"
            "        i, j = min(pairs, key=lambda pair: distances[pair[0]][pair[1]])\n"
            "        inside.add(j)\n"
            "        edges.append((min(i, j), max(i, j)))\n"
            "    return sorted(edges)"
        ),
    ),
}
