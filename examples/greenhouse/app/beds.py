WET = 80  # percent


def read_moisture(name):
    return len(name)  # your sensor's driver goes here


class Bed:
    """A bed that wants water below `driest` percent; `moisture` is the last reading, None before the first."""

    def __init__(self, name, driest):
        self.name = name
        self.moisture = None
        self._driest = driest

    def is_dry(self):
        if self.moisture != WET:
            self.moisture = read_moisture(self.name)
        return self.moisture < self._driest

    def water(self):
        self.moisture = WET  # your valve's driver goes here
