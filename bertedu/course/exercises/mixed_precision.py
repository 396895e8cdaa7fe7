"""The last exercise of notebooks/10_fine_tuning.ipynb: rounding to bfloat16."""

import math

from bertedu.course.exercise import Exercise, call, compare, one_number

TESTED = (3.14159, 1 + 1 / 256, 1 + 3 / 256, -0.1, -1.7, 1003.3, -1 - 1 / 256, 0.0)


def _rounded(x, bits=8, to_whole=round):
    fraction, exponent = math.frexp(x)
    return to_whole(fraction * 2**bits) * 2.0 ** (exponent - bits)


def _half_away_from_zero(x):
    return math.copysign(math.floor(abs(x) + 0.5), x)


MISTAKES = (  # wrong roundings, and the feedback
    (lambda x: x, "that is the number itself. Round it to 8 significant bits."),
    (lambda x: _rounded(x, to_whole=math.trunc), "it cuts off the rest. Round to the nearest number."),
    (lambda x: _rounded(x, to_whole=math.floor), "it rounds down. Round to the nearest number."),
    (lambda x: _rounded(x, to_whole=math.ceil), "it rounds up. Round to the nearest number."),
    *(
        (
            lambda x, to_whole=to_whole: _rounded(x, to_whole=to_whole),
            "it is right except for ties: 1 + 1/256 is as near to 1 as to 1 + 1/128. Take the one whose last bit is 0.",
        )
        for to_whole in (_half_away_from_zero, lambda x: math.floor(x + 0.5))
    ),
    (lambda x: _rounded(x, 7), "7 bits are stored, but the leading 1 comes for free: there are 8 significant bits."),
    (lambda x: _rounded(x, 9), "those are 9 significant bits. The leading 1 and the 7 stored bits make 8."),
    (lambda x: _rounded(x, 11), "that is float16, with 11 significant bits. bfloat16 has 8."),
    (
        lambda x: round(x * 128) / 128,
        "all its steps are 1/128. That is right from 1 to 2; with every power of two the steps double.",
    ),
    (lambda x: round(math.frexp(x)[0] * 256), "that is the fraction as a whole number. Scale it back."),
    (
        lambda x: _rounded(x) * 256,
        "it is 256 times too large: after multiplying the fraction by 256, subtract 8 from the exponent.",
    ),
    (lambda x: abs(_rounded(x)), "the sign is lost."),
)


def check_rounding(answer):
    got = [one_number(call(answer, x), "the rounded number.") for x in TESTED]
    typical = [([mistake(x) for x in TESTED], reason) for mistake, reason in MISTAKES]
    compare(got, [_rounded(x) for x in TESTED], typical)


ROUND_TO_BFLOAT16 = Exercise(
    task="Round a number to 8 significant bits, ties to even.",
    blank="def round_to_bfloat16(x):\n    return ...",
    answer="round_to_bfloat16",
    check=check_rounding,
    correct="8 significant bits, whatever the size of the number, and a tie goes to the even neighbor.",
    hints=(
        "fraction, exponent = math.frexp(x) splits x into fraction * 2**exponent, with a fraction from 0.5 to 1.",
        "8 significant bits are a whole number up to 256: multiply the fraction by 256, round it, and scale back.",
    ),
    solution=(
        "import math\n\n"
        "def round_to_bfloat16(x):\n"
        "    fraction, exponent = math.frexp(x)  # x = fraction * 2**exponent\n"
        "    return round(fraction * 256) * 2.0 ** (exponent - 8)  # `round` takes ties to the even number"
    ),
    cases=(
        (0.0,),
        (1.0,),
        (-1 - 3 / 256,),
        (511.0,),  # carries into the next power of two
        (257.0,),  # a tie between 256 and 258
        (-259.0,),  # and one between 258 and 260
        (0.15625,),  # exact
        (0.001,),
        (99_999.5,),  # too large for float16
        (-7e30,),
    ),
)
