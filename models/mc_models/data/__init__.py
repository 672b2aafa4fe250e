"""Images: preprocessing, image sets in memory, and the generated images.

`preprocess` decodes and normalises images and imports no torch at module level. `image_sets` reads
folders and splits them; `synthetic` renders the generated images from `shapes` and `textures`;
`image_files` writes them as JPEG files. `contact_sheet` puts images side by side.
"""
