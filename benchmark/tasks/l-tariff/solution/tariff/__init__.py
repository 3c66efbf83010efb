"""A small language for price lists."""

from tariff.errors import TariffError
from tariff.normal import normal
from tariff.parser import load
from tariff.pricing import Quote, Step, price

__all__ = ["Quote", "Step", "TariffError", "load", "normal", "price"]
