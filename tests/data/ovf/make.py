"""Write the OVF files of this folder with discretisedfield: python make.py, where it is installed."""

import discretisedfield as df
import numpy as np

mesh = df.Mesh(p1=(0, 0, 0), p2=(20e-9, 9e-9, 4e-9), cell=(5e-9, 3e-9, 2e-9))
index = np.arange(4 * 3 * 2 * 3).reshape(4, 3, 2, 3)  # x, y, z, component
field = df.Field(mesh, nvdim=3, value=np.sin(index), unit="A/m")
for representation in ("txt", "bin4", "bin8"):
    field.to_file(f"{representation}.ovf", representation=representation)
df.Field(mesh, nvdim=1, value=np.sin(index[..., :1]), unit="J/m3").to_file("scalar.ovf", representation="bin4")
