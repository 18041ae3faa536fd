"""Many keys with one CRC-32C, as an attacker makes them, of letters only so that every protocol takes them.

A CRC is linear: a letter in upper case instead of lower adds the same bits to it whatever the other letters are. So of 52 letters
those sets whose bits cancel are solutions of 32 equations, and there are at least 2^20 of them.
"""

POLYNOMIAL = 0x82F63B78


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (POLYNOMIAL if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def cancelling_sets(effects):
    """A basis of the sets of letters whose effects cancel, each as a bit mask."""
    pivots = {}  # highest bit: (effect, letters that make it)
    basis = []
    for letter, effect in enumerate(effects):
        letters = 1 << letter
        while effect and effect.bit_length() in pivots:
            other_effect, other_letters = pivots[effect.bit_length()]
            effect, letters = effect ^ other_effect, letters ^ other_letters
        if effect:
            pivots[effect.bit_length()] = effect, letters
        else:
            basis.append(letters)
    return basis


def keys_with_one_crc(count):
    """Different keys of 52 letters."""
    lower = b"abcdefghijklmnopqrstuvwxyz" * 2
    flip = [lower[:i] + bytes([lower[i] ^ 0x20]) + lower[i + 1:] for i in range(len(lower))]
    basis = cancelling_sets([crc32c(key) ^ crc32c(lower) for key in flip])
    # A letter is a bit of a number as long as the key: one xor makes a key of another.
    masks = [sum(0x20 << 8 * i for i in range(len(lower)) if letters >> i & 1) for letters in basis]
    keys = [int.from_bytes(lower, "little")]
    for mask in masks:
        keys += [key ^ mask for key in keys[:count - len(keys)]]
    return [key.to_bytes(len(lower), "little") for key in keys]
