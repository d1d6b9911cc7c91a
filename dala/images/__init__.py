"""From the bytes of a file to an RGB picture to the network's input, and what the pixels alone show.

- `reading`: decode untrusted bytes as an 8-bit RGB picture.
- `limits`: refuse decompression bombs that Pillow does not detect.
- `encoding`: encode a picture as bytes or as a data URL.
- `preprocessing`: scale and normalise a picture for the network.
- `tiles`: divide a picture that is larger than a patch.
- `stain`: separate haematoxylin and eosin by optical density.
- `shifts`: change the acquisition: stain, scale, focus, sharpness.
- `stain_statistics`: statistics of stain and texture of a whole picture.
- `detail`: strength of detail in density and colour at four scales.
- `tissue`: check with them whether a picture looks like stained tissue.
- `laboratory`: compare a picture with the laboratories that a network was trained on.
"""
