"""The bounded cache that networks, explanations and curves share."""

from concurrent.futures import ThreadPoolExecutor

from dala.lru import LRU


def test_the_least_recently_used_is_dropped():
    cache = LRU(2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (1, None, 3)
    cache.put("a", 4)
    cache.put("d", 5)
    assert (cache.get("a"), cache.get("c"), len(cache)) == (4, None, 2)


def test_threads_do_not_exceed_its_capacity():
    cache = LRU(8)

    def work(seed):
        for i in range(2000):
            key = (seed * 7 + i) % 20
            if (value := cache.get(key)) is not None:
                assert value == 2 * key
            cache.put(key, 2 * key)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert len(cache) == 8
