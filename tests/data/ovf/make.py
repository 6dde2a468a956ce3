"""Write the files of this folder: python make.py, where discretisedfield and weiss are installed."""

import discretisedfield as df
import numpy as np

from weiss.llg import ovf
from weiss.llg.mesh import Mesh

mesh = df.Mesh(p1=(0, 0, 0), p2=(20e-9, 9e-9, 4e-9), cell=(5e-9, 3e-9, 2e-9))
index = np.arange(4 * 3 * 2 * 3).reshape(4, 3, 2, 3)  # x, y, z, component
field = df.Field(mesh, nvdim=3, value=np.sin(index), unit="A/m")
for representation in ("txt", "bin4", "bin8"):
    field.to_file(f"{representation}.ovf", representation=representation)
df.Field(mesh, nvdim=1, value=np.sin(index[..., :1]), unit="J/m3").to_file("scalar.ovf", representation="bin4")

values, read = np.sin(index).transpose(3, 2, 1, 0), {}
for name, representation in (("txt", "text"), ("bin4", "binary 4"), ("bin8", "binary 8")):
    ovf.write(f"weiss-{name}.ovf", values, Mesh((4, 3, 2), (5e-9, 3e-9, 2e-9)), representation)
    read[name] = df.Field.from_file(f"weiss-{name}.ovf").array.transpose(3, 2, 1, 0)
np.savez("read_by_discretisedfield.npz", **read)
