"""Draw a dataset of procedural portraits into resumable shards, and load it.

On disk, one folder per dataset:

    OUT/dataset.json                    what was asked for (see `DatasetSpec`), written first
    OUT/shard-00000.safetensors         rows 0 .. shard_size - 1; each file appears atomically
    OUT/shard-00001.safetensors         ...

Row r of the dataset is `(domain, person, view)` in C order of [domains, people, views], so the
shards of a domain are contiguous and a prefix of the shards is a usable dataset. Keys of a shard,
n rows each:

    image      uint8   [n, S, S, 3]   RGB
    depth      uint16  [n, S, S]      distance along the ray, see `decode_depth`; 65535 = background
    alpha      uint8   [n, S, S]      255 = head, 0 = background
    camera     float32 [n, 25]        EG3D label (cam2world row-major, normalized intrinsics)
    latent     float32 [n, 64]        z, standard normal
    landmarks  float32 [n, 5, 2]      pixels: eye, eye, nose tip, mouth corner, mouth corner
    person     int32   [n]            index in `sample_people(..., seed=people_seed)`
    view       int16   [n]            index of the camera; a person has the same cameras in every domain
    domain     int16   [n]            index in `dataset.json` -> `domains`

and the metadata entry `captions`: JSON, n lists of strings.
"""
