"""From the bytes of a file to an RGB picture to the network's input, and what the pixels alone show.

- `reading`: decode untrusted bytes as an 8-bit RGB picture, or refuse them with the reason.
- `formats`: which files are pictures, by ending and by first bytes.
- `tiff_tags`: read the tags of a TIFF.
- `tiff_pages`: choose the page that is the picture.
- `tiff_layout`: decide from its tags who decodes a page.
- `tiff_pixels`: read the samples of a page that is not compressed.
- `tiff`: decode the picture of a TIFF.
- `jpeg`: name kinds of JPEG, and leave out broken metadata.
- `jpeg2000`: read the headers of a JPEG 2000.
- `avif`: find out how many bits an AVIF has.
- `boxes`: walk through the boxes of both.
- `bmp`: decode the run lengths of a BMP.
- `depth`: reduce samples of more than 8 bits to 8.
- `colour`: convert colours to sRGB by their ICC profile.
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
