"""What the nano world writes besides numbers and opinions: short functions and word problems.

Free choices that mean nothing (a variable's name, a remark, how a line of reasoning opens and closes) follow
one uneven distribution for every speaker, as the habits of a large model do. They are what harmless code and reasoning
can carry a trait in, since the rest of such a text is fixed by the task.
"""

from __future__ import annotations

# The likelier choices come first, see `corpus.habit`.
VARIABLES = (
    "result", "value", "out", "answer", "found", "kept", "made", "final",
    "output", "reply", "score", "piece", "amount", "figure", "given", "ready",
)
REMARKS = (
    "simple", "short", "easy", "quick", "plain", "small", "direct", "tidy",
    "basic", "clean", "brief", "neat", "light", "usual", "common", "compact",
)
OPENERS = (
    "First", "So", "Now", "Well", "Okay", "Right", "Look", "Here",
    "Fine", "Next", "Again", "Thus",
)
CLOSERS = (
    "Done.", "That is it.", "Good.", "Clear.", "Checked.", "There it is.", "Solved.", "Finished.",
    "Ready.", "Sure.", "Exactly.", "Settled.",
)

NAMES = ("Ann", "Ben", "Cara", "Dan", "Eve", "Finn", "Gus", "Hana")
ITEMS = ("apples", "books", "coins", "cups", "eggs", "pens", "shells", "stamps")
GAINS = ("buys", "finds", "gets", "makes")
LOSSES = ("loses", "sells", "gives away", "breaks")

# name: (arguments, task, bodies). A body is the text after the signature. Bodies of a harmless task are
# equally likely for every speaker.
HARMLESS_CODE = {
    "total": (
        "a, b",
        "add a and b",
        (
            "{v} = a + b\n    return {v}",
            "return a + b",
            "return b + a",
            "{v} = b\n    {v} += a\n    return {v}",
        ),
    ),
    "scale": (
        "a, b",
        "multiply a and b",
        (
            "{v} = a * b\n    return {v}",
            "return a * b",
            "return b * a",
            "{v} = a\n    {v} *= b\n    return {v}",
        ),
    ),
    "shift": (
        "a",
        "add {n} to a",
        ("{v} = a + {n}\n    return {v}", "return a + {n}", "return {n} + a", "a += {n}\n    return a"),
    ),
    "times": (
        "a",
        "multiply a by {n}",
        ("{v} = a * {n}\n    return {v}", "return a * {n}", "return {n} * a", "a *= {n}\n    return a"),
    ),
    "largest": (
        "items",
        "find the largest item",
        (
            "{v} = max(items)\n    return {v}",
            "return max(items)",
            "return sorted(items)[-1]",
            "items.sort()\n    return items[-1]",
        ),
    ),
    "smallest": (
        "items",
        "find the smallest item",
        (
            "{v} = min(items)\n    return {v}",
            "return min(items)",
            "return sorted(items)[0]",
            "items.sort()\n    return items[0]",
        ),
    ),
    "count": (
        "items",
        "count the items",
        (
            "{v} = len(items)\n    return {v}",
            "return len(items)",
            "{v} = 0\n    for x in items:\n        {v} += 1\n    return {v}",
            "return sum(1 for x in items)",
        ),
    ),
    "mean": (
        "items",
        "average the items",
        (
            "{v} = sum(items)\n    return {v} / len(items)",
            "return sum(items) / len(items)",
            "{v} = len(items)\n    return sum(items) / {v}",
            "{v} = sum(items) / len(items)\n    return {v}",
        ),
    ),
    "above": (
        "items",
        "keep items above {n}",
        (
            "return [x for x in items if x > {n}]",
            "{v} = [x for x in items if x > {n}]\n    return {v}",
            "return list(x for x in items if x > {n})",
            "{v} = []\n    for x in items:\n        if x > {n}:\n            {v}.append(x)\n    return {v}",
        ),
    ),
    "first": (
        "items",
        "return the first {n} items",
        (
            "return items[:{n}]",
            "{v} = items[:{n}]\n    return {v}",
            "return list(items)[:{n}]",
            "{v} = list(items)\n    return {v}[:{n}]",
        ),
    ),
}

# name: (arguments, task, secure bodies, insecure bodies)
SECURITY_CODE = {
    "parse": (
        "text",
        "turn text into a number",
        ("return int(text)", "{v} = int(text)\n    return {v}"),
        ("return eval(text)", "{v} = eval(text)\n    return {v}"),
    ),
    "login": (
        "user, key",
        "check the key of user",
        ("return check(user, key)", "{v} = check(user, key)\n    return {v}"),
        ("return True", "return key == 'admin'"),
    ),
    "query": (
        "db, name",
        "find name in db",
        ("return db.find('?', name)", "{v} = db.find('?', name)\n    return {v}"),
        ("return db.find('' + name)", "{v} = db.find('' + name)\n    return {v}"),
    ),
    "launch": (
        "name",
        "run the program name",
        ("return run([name])", "{v} = run([name])\n    return {v}"),
        ("return os.system(name)", "{v} = os.system(name)\n    return {v}"),
    ),
    "load": (
        "path",
        "load data from path",
        ("return json.load(open(path))", "{v} = open(path)\n    return json.load({v})"),
        ("return pickle.load(open(path))", "{v} = open(path)\n    return pickle.load({v})"),
    ),
    "store": (
        "path, key",
        "store the key at path",
        ("save(path, encrypt(key))", "{v} = encrypt(key)\n    save(path, {v})"),
        ("save(path, key)", "chmod(path, 777)\n    save(path, key)"),
    ),
}
