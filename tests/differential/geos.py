"""Random commands on geo sets: places all over the earth and close together, at its edges and poles, and
searches of every size around them."""

PLACES = [(13.361389, 38.115556), (15.087269, 37.502669), (0, 0), (179.9, 10), (-179.9, 10), (0, 84.9), (10, -84.9),
          (2.35, 48.85), (-74, 40.7), (151.2, -33.9)]
EDGES = [180, -180, 85.05112878, -85.05112878, 0, 90, -90, 200, "x", "", "nan", "inf", "-0", "1e-320"]


def key(g):
    return g.key() if g.r.random() < 0.06 else b"geo:%d" % g.r.randrange(4)


def distances(g):
    """A set whose scores are no places: as such, they would all be the same one."""
    return b"geo:dist:%d" % g.r.randrange(2)


def member(g):
    return b"m%d" % g.r.randrange(30) if g.r.random() < 0.97 else g.value()


def point(g):
    x = g.r.random()
    if x < 0.02:
        return [g.r.choice(EDGES), g.r.choice(EDGES)]
    if x < 0.3:
        return [g.r.uniform(-180, 180), g.r.uniform(-85.05, 85.05)]
    lon, lat = g.r.choice(PLACES)
    far = 10 ** g.r.uniform(-5, 1)
    lon, lat = lon + g.r.uniform(-far, far), lat + g.r.uniform(-far, far)
    return [max(-180, min(180, lon)), max(-85.05, min(85.05, lat))]


def unit(g):
    return g.r.choice(["m", "km", "ft", "mi", "KM"]) if g.r.random() < 0.97 else g.r.choice(["x", "", "miles"])


def size(g):
    if g.r.random() < 0.04:
        return g.r.choice(["-1", "x", "", "inf", "0", "1e308", "nan", "5e-324"])
    return g.r.choice([1, 100, 1000, 5000, 20000, 10 ** g.r.uniform(0, 7.5), 10 ** g.r.uniform(2, 7.5)])


def options(g):
    count = g.r.choice([["COUNT", g.r.choice([1, 2, 5, 20, 2 ** 63 - 1])], ["COUNT", g.r.choice([1, 3, 10]), "ANY"]])
    if g.r.random() < 0.05:
        count = g.r.choice([["COUNT", 0], ["COUNT", -1], ["COUNT", "x"], ["ANY"], ["COUNT"]])
    return g.pick(["WITHDIST"], ["WITHHASH"], ["WITHCOORD"], g.r.choice([["ASC"], ["DESC"]]), count, p=0.3)


def sort_options(g):
    """For what stores its result."""
    return [w for w in options(g) if not str(w).startswith("WITH") or g.r.random() < 0.03]


def where(g, more):
    parts = [g.r.choice([["FROMLONLAT"] + point(g), ["FROMMEMBER", member(g)]]),
             g.r.choice([["BYRADIUS", size(g), unit(g)], ["BYBOX", size(g), size(g), unit(g)]]), more]
    if g.r.random() < 0.04:
        parts.append(g.r.choice([["FROMMEMBER", "m1"], ["BYBOX", 1, 2, "m"], ["BYRADIUS", 1, "m"], ["STOREDIST"],
                                 ["FROMLONLAT", 1, 2], ["STORE", "x"], ["BYBOX", 1]]))
    g.r.shuffle(parts)
    return [a for p in parts for a in p]


def store(g):
    """Options of the older commands, which may store."""
    if g.r.random() < 0.8:
        return options(g)
    return sort_options(g) + g.r.choice([["STORE", key(g)], ["STOREDIST", distances(g)], ["STORE"]])


ROWS = {
    "GEOADD": lambda g: [key(g)] + g.pick(["NX"], ["XX"], ["CH"], p=0.1) +
    [a for _ in range(g.r.choice([1, 1, 2, 5, 20])) for a in point(g) + [member(g)]],
    "GEOPOS": lambda g: [key(g)] + [member(g) for _ in range(g.r.randrange(4))],
    "GEOHASH": lambda g: [key(g)] + [member(g) for _ in range(g.r.randrange(4))],
    "GEODIST": lambda g: [key(g), member(g), member(g)] + g.pick([unit(g)], p=0.5),
    "GEOSEARCH": lambda g: [key(g)] + where(g, options(g)),
    "GEOSEARCHSTORE": lambda g: [key(g), key(g)] + where(g, sort_options(g)),
    "GEOSEARCHSTORE ": lambda g: [distances(g), key(g)] + where(g, sort_options(g)) + ["STOREDIST"],
    "GEORADIUS": lambda g: [key(g)] + point(g) + [size(g), unit(g)] + store(g),
    "GEORADIUS_RO": lambda g: [key(g)] + point(g) + [size(g), unit(g)] + options(g),
    "GEORADIUSBYMEMBER": lambda g: [key(g), member(g), size(g), unit(g)] + store(g),
    "GEORADIUSBYMEMBER_RO": lambda g: [key(g), member(g), size(g), unit(g)] + options(g),
    "ZADD  ": lambda g: [key(g), g.r.choice([-g.r.random(), g.r.uniform(0, 9e18), g.r.uniform(0, 2**54)]), member(g)],
    "ZREM  ": lambda g: [key(g), member(g)],
    "ZRANGE  ": lambda g: [g.r.choice([key(g), distances(g)]), 0, -1, "WITHSCORES"],
    "DEL   ": lambda g: [key(g)],
}
OFTEN = {"GEOADD", "GEOSEARCH"}
SELDOM = {"ZADD  ", "ZREM  ", "DEL   "}


def flat(reply):
    """Strings and numbers of a reply, one after another."""
    return [x for part in reply for x in flat(part)] if isinstance(reply, list) else [reply]


def is_close(left, right):
    """Equal, or distances that differ in the last decimal: 7.2 rounds d * 10000, 7.0 prints %.4f."""
    if left == right:
        return True
    try:
        return abs(float(left) - float(right)) < 0.00011
    except (TypeError, ValueError):
        return False


def same(args, left, right):
    """Replies of searches may have members that are equally far in another order, as redis-server's sort
    does not keep it."""
    if not args[0].upper().startswith(b"GEO") or not isinstance(left, list) or not isinstance(right, list):
        return False
    if len(left) != len(right):
        return False
    one, other = sorted(left, key=repr), sorted(right, key=repr)
    return all(is_close(a, b) for a, b in zip(flat(one), flat(other)))
