# The app on a machine without a GPU:
#   docker build -t dala . && docker run -p 7860:7860 dala
FROM python:3.12-slim

RUN useradd --create-home --uid 1000 host
WORKDIR /home/host/app

# PyTorch for the CPU, without several gigabytes of CUDA libraries. Remove this line for an NVIDIA GPU.
ENV PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PYTHONUNBUFFERED=1
COPY requirements.txt ./
RUN pip install -r requirements.txt

COPY app.py LICENSE ./
COPY dala ./dala
COPY examples ./examples
COPY weights ./weights

USER host
ENV GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=7860
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/', timeout=8)"]
CMD ["python", "app.py"]
