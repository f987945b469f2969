"""What the jobs of test_rq.py do; a module of its own, as workers import it."""


def add(a, b):
    return a + b


def fail():
    raise ValueError("as asked")


def append(server_port, text):
    import redis
    return redis.Redis(port=server_port).rpush("out", text)
