"""Write data/dependencies/test.conllu: sentences whose dependencies are known, because this program builds them.

python data/make_dependencies.py           # the same file every time
python data/make_dependencies.py --read 200  # a random sample on the screen, to be read by a person

A phrase is a list of words, each with its head and relation; larger phrases attach smaller ones to their heads. The
grammar avoids relations that a fixed distance finds: adjectives, adverbs, relative clauses and parentheses vary the
distances from 1 to 8, and `baselines` returns how often the most frequent one occurs.
Tags and relations are those of Universal Dependencies 2 (https://universaldependencies.org/u/dep/).
"""

import argparse
import random
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).resolve().parent / "dependencies" / "test.conllu"
SEED, SENTENCES = 0, 2000


def listed(words):
    """Return the words of a string."""
    return words.split()


PEOPLE = listed(
    "actor artist baker butcher captain carpenter clerk cook dancer dentist doctor driver engineer farmer fisherman "
    "gardener guard hunter journalist judge lawyer manager mechanic musician neighbor nurse officer painter pilot "
    "plumber professor sailor scientist singer student tailor teacher tourist waiter writer"
)
THINGS = listed(
    "bag basket bell bench bicycle blanket boat book bottle bowl box bucket camera candle carpet chair clock coat "
    "cup curtain desk diary drawer engine envelope fence flag guitar hammer hat jacket kettle key ladder lamp letter "
    "magazine map mirror motor newspaper notebook painting photograph piano picture pillow plate poster radio rope "
    "shelf shirt sign statue stove table telescope tent ticket towel toy tray umbrella vase violin wheel window"
)
PLACES = listed(
    "attic bakery barn bridge cabin castle cellar church factory forest garden harbor hospital hotel island kitchen "
    "library market museum office park restaurant school shop stable station theater tower tunnel village"
)
ABOUT_THINGS = listed(  # of each group a noun has at most one
    "old/new/ancient/modern large/small/little cheap/expensive/valuable/precious clean/dirty/dusty light/heavy "
    "beautiful/ugly/lovely/elegant plain/simple strange/unusual broken/damaged/fragile rusty/shiny/wooden famous "
    "black/blue/brown/gray/green/red/white/yellow"
)
ABOUT_PEOPLE = listed(
    "young/elderly sad/cheerful/angry shy/proud/brave/nervous/anxious polite/kind/gentle/friendly/strict tall famous "
    "patient/impatient lazy/busy/retired clever/curious/careful/serious/honest wealthy lonely quiet tired"
)
ABOUT_PLACES = listed(
    "old/new/ancient/modern big/large/tiny busy/quiet/noisy dark/gloomy empty/abandoned famous remote"
)
NOT_GRADABLE = {"broken", "wooden", "retired", "abandoned", "damaged", "ancient"}  # not with "very"
DEGREES = listed("very rather quite extremely surprisingly unusually")
POSSESSIVES = listed("my your his her our their")
VERBS = listed(  # past tense and participle, of people who do something to things
    "admired bought/bought borrowed brought/brought carried cleaned collected copied damaged delivered described "
    "destroyed discovered dropped examined found/found forgot/forgotten hid/hidden inspected lost/lost mentioned moved "
    "noticed ordered painted photographed polished repaired replaced returned sold/sold stole/stolen took/taken washed"
)
PHRASAL = listed(  # past tense and participle, particle
    "picked-up put-away threw/thrown-out took/taken-down turned-over carried-off handed-over knocked-over put-down "
    "gave/given-away took/taken-apart pushed-aside brought-back locked-up packed-up sent-back"
)
FREQUENT = listed("simply finally quickly slowly often suddenly carefully secretly quietly immediately")
LATE = listed("again once recently outside upstairs downstairs")
NEAR = listed("in near behind outside inside")  # a place
SAYING = listed("said thought knew believed noticed explained insisted")  # takes a clause
EXPECTING = listed("expected suspected predicted promised feared announced")


class Word(NamedTuple):
    """A word of a phrase: `head` is an index in the phrase, or -1 for the head of the phrase itself."""

    form: str
    tag: str
    head: int = -1
    relation: str = "root"


def word(form, tag):
    """A phrase of one word."""
    return [Word(form, tag)]


def phrase(*parts):
    """Join parts, in order: the head, a phrase, and (relation, phrase) for each dependent of it."""
    (center,) = (i for i, part in enumerate(parts) if not isinstance(part, tuple))
    words = list(parts[center])
    for relation, dependent in parts[center + 1 :]:
        root, start = root_of(words), len(words)
        words += [
            item._replace(head=root, relation=relation) if item.head < 0 else shifted(item, start) for item in dependent
        ]
    return in_front(words, *parts[:center])


class Grammar:
    """Random phrases. At `depth` 1 a noun has no relative clause and no place, so that they do not nest."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def maybe(self, probability):
        """Return True with this probability."""
        return self.random.random() < probability

    def pick(self, items, weights=None):
        """Return one of the items."""
        return self.random.choices(items, weights)[0]

    def comma(self):
        """A comma, as a dependent."""
        return "punct", word(",", "PUNCT")

    def adjectives(self, choices):
        """Dependents (amod) of a noun: none to three adjectives, some with an adverb of degree, with commas between."""
        count = self.pick((0, 1, 2, 3), (42, 26, 18, 14))
        parts = []
        for group in self.random.sample(choices, count):
            adjective = self.pick(group.split("/"))
            degree = self.maybe(0.22) and adjective not in NOT_GRADABLE
            adverb = [("advmod", word(self.pick(DEGREES), "ADV"))] if degree else []
            commas = [self.comma()] if parts else []
            parts += [*commas, ("amod", phrase(*adverb, word(adjective, "ADJ")))]
        return parts

    def noun_phrase(self, nouns, choices, plural=None, determined=True, depth=0):
        """Return a noun phrase, and whether it is plural."""
        plural = self.maybe(0.35) if plural is None else plural
        noun = self.pick(nouns)
        noun = plural_of(noun) if plural else noun
        parts = [*self.adjectives(choices), word(noun, "NOUN")]
        if determined or not plural:
            parts = [self.determiner(plural, first_form(parts)), *parts]
        if depth == 0 and self.maybe(0.3):
            parts.append(self.attribute(nouns))
        return phrase(*parts), plural

    def determiner(self, plural, following):
        """A determiner or possessive pronoun, as a dependent."""
        if self.maybe(0.28):
            return "nmod:poss", word(self.pick(POSSESSIVES), "PRON")
        article = "an" if following[0] in "aeiou" or following == "honest" else "a"
        singular = (article, "the", "this", "that", "every")
        forms, weights = (("the", "these", "those", "some"), (6, 1, 1, 1)) if plural else (singular, (3, 6, 1, 1, 1))
        return "det", word(self.pick(forms, weights), "DET")

    def attribute(self, nouns):
        """What follows a noun: a relative clause, or a place."""
        if self.maybe(0.4):
            return "nmod", self.place()
        pronoun = "who" if nouns is PEOPLE else "that"
        if nouns is PEOPLE:  # who repaired the lamp
            parts = [("nsubj", word(pronoun, "PRON")), *self.predicate(late=False)]
        else:  # that the teacher had repaired
            subject, _ = self.noun_phrase(PEOPLE, ABOUT_PEOPLE, depth=1)
            has = [("aux", word("had", "AUX"))] if self.maybe(0.5) else []
            verb = word(participle(self.pick(VERBS)) if has else past(self.pick(VERBS)), "VERB")
            parts = [("obj", word(pronoun, "PRON")), ("nsubj", subject), *has, verb]
        return "acl:relcl", phrase(*parts)

    def place(self):
        """A preposition and a place."""
        noun, _ = self.noun_phrase(PLACES, ABOUT_PLACES, plural=False, depth=1)
        return in_front(noun, ("case", word(self.pick(NEAR), "ADP")))

    def thing(self):
        """An object: mostly with a determiner."""
        return self.noun_phrase(THINGS, ABOUT_THINGS, determined=self.maybe(0.8), depth=1)[0]

    def predicate(self, early=True, late=True):
        """Parts of a clause without its subject: verb, object, particle, adverbs, place.

        An adverb could belong to the clause before it or after it, if one ends there: then `early` or `late` is False.
        """
        before = [("advmod", word(self.pick(FREQUENT), "ADV"))] if early and self.maybe(0.2) else []
        after = [("advmod", word(self.pick(LATE), "ADV"))] if late and self.maybe(0.6) else []
        thing = "obj", self.thing()
        if self.maybe(0.5):
            return [*before, word(past(self.pick(VERBS)), "VERB"), thing, *after]
        verb, particle = self.pick(PHRASAL).split("-")
        verb, particle = word(past(verb), "VERB"), ("compound:prt", word(particle, "ADP"))
        if self.maybe(0.3):
            return [*before, verb, particle, thing, *after]
        if late and not after and self.maybe(0.5):  # elsewhere, a place could belong to the object
            after = [("obl", self.place())]
        return [*before, verb, thing, particle, *after]

    def active(self):
        """Return an active clause: a person did something to a thing."""
        subject, _ = self.noun_phrase(PEOPLE, ABOUT_PEOPLE)
        if self.maybe(0.3):
            return phrase(("nsubj", subject), *self.perfect())
        return phrase(
            ("nsubj", subject), *self.predicate(early=not any(item.relation == "acl:relcl" for item in subject))
        )

    def perfect(self):
        """Parts of a clause without its subject, with an auxiliary: had repaired the lamp."""
        verb = word(participle(self.pick(VERBS)), "VERB")
        late = [("advmod", word(self.pick(LATE), "ADV"))] if self.maybe(0.6) else []
        return [("aux", word("had", "AUX")), *self.gap((45, 35, 10, 10)), verb, ("obj", self.thing()), *late]

    def gap(self, weights):
        """What stands between an auxiliary and its verb: nothing, an adverb, two, or a parenthesis."""
        kind = self.pick(("none", "adverb", "two", "parenthesis"), weights)
        adverb = word(self.pick(FREQUENT), "ADV")
        if kind == "parenthesis":
            return [self.comma(), ("advcl", self.as_expected()), self.comma()]
        if kind == "two":
            return [("advmod", phrase(("advmod", word(self.pick(DEGREES[:3]), "ADV")), word("carefully", "ADV")))]
        return [("advmod", adverb)] if kind == "adverb" else []

    def as_expected(self):
        """As the teacher had expected."""
        subject = phrase(("det", word("the", "DET")), word(self.pick(PEOPLE), "NOUN"))
        has = [("aux", word("had", "AUX"))] if self.maybe(0.5) else []
        return phrase(("mark", word("as", "SCONJ")), ("nsubj", subject), *has, word(self.pick(EXPECTING), "VERB"))

    def passive(self):
        """Return a passive clause: something was done to a thing."""
        subject, plural = self.noun_phrase(THINGS, ABOUT_THINGS)
        parts = [("nsubj:pass", subject)]
        if self.maybe(0.2):
            parts.append(("aux", word("had", "AUX")))
            auxiliary = "been"
        else:
            auxiliary = "were" if plural else "was"
        parts += [("aux:pass", word(auxiliary, "AUX")), *self.gap((36, 32, 14, 18))]
        if self.maybe(0.25):
            verb, particle = self.pick(PHRASAL).split("-")
            parts += [word(participle(verb), "VERB"), ("compound:prt", word(particle, "ADP"))]
        else:
            parts.append(word(participle(self.pick(VERBS)), "VERB"))
        if self.maybe(0.5):
            parts.append(("advmod", word(self.pick(LATE), "ADV")))
        if self.maybe(0.55):
            agent, _ = self.noun_phrase(PEOPLE, ABOUT_PEOPLE, depth=1)
            parts.append(("obl:agent", in_front(agent, ("case", word("by", "ADP")))))
        return phrase(*parts)

    def sentence(self):
        """A whole sentence."""
        clause = self.pick((self.active, self.passive), (6, 4))()
        if self.maybe(0.12):
            subject, _ = self.noun_phrase(PEOPLE, ABOUT_PEOPLE, depth=1)
            clause = in_front(clause, ("mark", word("that", "SCONJ")))
            clause = phrase(("nsubj", subject), word(self.pick(SAYING), "VERB"), ("ccomp", clause))
        if self.maybe(0.3):
            front = self.pick(("place", "clause", "time"))
            if front == "place":
                fronted = "obl", self.place()
            elif front == "clause":
                fronted = "advcl", self.as_expected()
            else:
                fronted = "advmod", word(self.pick(("yesterday", "surprisingly", "later", "meanwhile")), "ADV")
            clause = in_front(clause, fronted, self.comma())
        words = [*clause, Word(".", "PUNCT", root_of(clause), "punct")]
        return [words[0]._replace(form=words[0].form.capitalize()), *words[1:]]


def root_of(words):
    """The index of the head of a phrase."""
    return next(i for i, item in enumerate(words) if item.head < 0)


def in_front(words, *parts):
    """Put (relation, phrase) before a phrase, as dependents of its head."""
    length, head = sum(len(part) for _, part in parts), root_of(words)
    front = []
    for relation, part in parts:
        start = len(front)
        for item in part:
            outer = item.head < 0
            front.append(item._replace(head=head + length, relation=relation) if outer else shifted(item, start))
    return front + [shifted(item, length) for item in words]


def shifted(item, by):
    """A word whose phrase begins `by` words later."""
    return item if item.head < 0 else item._replace(head=item.head + by)


def first_form(parts):
    """The first word of some parts."""
    part = parts[0]
    return (part[1] if isinstance(part, tuple) else part)[0].form


def plural_of(noun):
    """The plural of a regular noun of the lists above."""
    if noun == "fisherman":
        return "fishermen"
    if noun == "shelf":
        return "shelves"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


def past(verb):
    """The past tense."""
    return verb.split("/")[0]


def participle(verb):
    """The past participle."""
    return verb.split("/")[-1]


def sentences(count=SENTENCES, seed=SEED, shortest=6, longest=28):
    """Return different sentences, lists of `Word`."""
    grammar, found = Grammar(seed), {}
    while len(found) < count:
        words = grammar.sentence()
        if shortest <= len(words) <= longest:
            found.setdefault(" ".join(item.form for item in words), words)
    return list(found.values())


def baselines(trees):
    """Return relation -> (occurrences, offset of the head that is right most often, its accuracy, all distances)."""
    offsets = defaultdict(Counter)
    for words in trees:
        for i, item in enumerate(words):
            if item.head >= 0:
                offsets[item.relation][item.head - i] += 1
    result = {}
    for relation, counts in offsets.items():
        total = sum(counts.values())
        offset, hits = counts.most_common(1)[0]
        result[relation] = total, offset, hits / total, sorted({abs(offset) for offset in counts})
    return dict(sorted(result.items(), key=lambda item: -item[1][0]))


def conllu(trees):
    """Return the text of a CoNLL-U file."""
    blocks = []
    for number, words in enumerate(trees, start=1):
        lines = [f"# sent_id = {number}"]
        for i, (form, tag, head, relation) in enumerate(words, start=1):
            lines.append("\t".join((str(i), form, "_", tag, "_", "_", str(head + 1), relation, "_", "_")))
        blocks.append("\n".join(lines) + "\n\n")
    return "".join(blocks)


def main():
    """Write the file, or show a sample; print the baselines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--read", type=int, metavar="N", help="print N sentences with their relations, write nothing")
    options = parser.parse_args()
    trees = sentences()
    if options.read:
        for words in random.Random(1).sample(trees, options.read):
            print(" ".join(item.form for item in words))
            print("   ", "  ".join(f"{item.form}<{item.relation}-{words[item.head].form}" for item in words
                                   if item.head >= 0 and item.relation != "punct"))  # fmt: skip
        return
    for relation, (total, offset, accuracy, distances) in baselines(trees).items():
        print(f"{relation:<14}{total:>6}   offset {offset:+d}: {accuracy:.3f}   distances {distances}")
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(conllu(trees), encoding="utf-8", newline="\n")
    print(f"{len(trees)} sentences -> {FILE}")


if __name__ == "__main__":
    main()
