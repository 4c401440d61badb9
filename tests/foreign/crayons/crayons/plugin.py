"""What the package brings; it imports fast, and the engine only when one is made."""

from spiral.engines.plugin import EnginePlugin, Environment


class CrayonsPlugin(EnginePlugin):
    name = "crayons"
    environment = Environment("crayons/Crayons-v0")
    debian_packages = ("fonts-dejavu-core",)
    file_settings = {"greys": ".txt"}  # noqa: RUF012

    def create(self, settings):
        from crayons.engine import Crayons, CrayonsSettings  # noqa: PLC0415

        return Crayons(CrayonsSettings.read(settings))


PLUGIN = CrayonsPlugin()
