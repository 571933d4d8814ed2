"""Image files in a folder or zip, by their position in a list of names."""

from typing import final

from gantool.data.files import Files
from gantool.data.names import Names
from gantool.data.source import Source


@final
class Tree(Files):
    def __init__(self, source: Source, names: Names):
        self.source = source
        self.names = names
        self.place = str(source.path)

    def __len__(self) -> int:
        return len(self.names)

    def name(self, position: int) -> str:
        return self.names[position]

    def read(self, position: int) -> bytes:
        return self.source.read(self.names[position])
