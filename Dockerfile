# A small image that serves an exported model on a CPU: Python, onnxruntime and Homing; no torch.
#
#     homing export tuned/ --to onnx-int8 --out exported/
#     docker build --build-arg MODEL=exported/onnx-int8 --tag handbook-search .
#     docker run -p 8080:8080 -e HOMING_API_KEY=… handbook-search
#
# With passages to search, put their bundle into the model's folder first:
#     homing serve exported/onnx-int8 --corpus tuned/ --prepare

FROM python:3.11-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY src ./src
RUN python -m venv /venv
RUN /venv/bin/python -m pip install --no-cache-dir --constraint constraints.txt '.[serve,onnx]'

FROM python:3.11-slim
ARG MODEL=exported/onnx-int8
RUN useradd --system --no-create-home --uid 10001 homing
COPY --from=build /venv /venv
COPY --chown=root:root ${MODEL} /model
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1
USER homing
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/health', timeout=4)"]
CMD ["homing", "serve", "/model", "--host", "0.0.0.0", "--port", "8080", "--api-key-env", "HOMING_API_KEY"]
