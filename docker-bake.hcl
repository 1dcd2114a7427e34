// One image per useful set of models: `docker buildx bake wan --set '*.platform=linux/amd64' --push`.
// Every image has the embedded model `demo` as well, for self-tests.

variable "REPOSITORY" {
  default = "worker-video"
}

variable "VERSION" {
  default = "dev"
}

variable "BASE_IMAGE" {
  default = "python:3.11-slim-bookworm"
}

group "default" {
  targets = ["demo"]
}

// A token only where a licence has to be accepted; nothing of it stays in the image.
target "_common" {
  context    = "."
  dockerfile = "Dockerfile"
  platforms  = ["linux/amd64"]
  secret     = ["type=env,id=HF_TOKEN"]
  args = {
    BASE_IMAGE = BASE_IMAGE
  }
}

// No weights but the embedded model's: tries an endpoint, a bucket, a client.
target "demo" {
  inherits = ["_common"]
  tags     = ["${REPOSITORY}:${VERSION}-demo"]
  args = {
    MODELS        = ""
    DEFAULT_MODEL = "demo"
  }
}

// The models that ModelsLab's text2video, img2video and video2video have named over time.
target "modelslab" {
  inherits = ["_common"]
  tags     = ["${REPOSITORY}:${VERSION}-modelslab"]
  args = {
    MODELS        = "cogvideox,zeroscope,zeroscope-xl,svd,dark-sushi-mix,epicrealismnaturalsi,hellonijicute25d,wan2.2"
    DEFAULT_MODEL = "cogvideox"
  }
}

// Wan 2.1 with 1.3 billion parameters, and Wan 2.2 with 5.
target "wan" {
  inherits = ["_common"]
  tags     = ["${REPOSITORY}:${VERSION}-wan"]
  args = {
    MODELS        = "wan2.1,wan2.2"
    DEFAULT_MODEL = "wan2.1"
  }
}

// LTX-Video with 2 billion parameters, and the distilled one with 13.
target "ltx" {
  inherits = ["_common"]
  tags     = ["${REPOSITORY}:${VERSION}-ltx"]
  args = {
    MODELS        = "ltx-video,ltx-video-13b-distilled"
    DEFAULT_MODEL = "ltx-video"
  }
}

// No worker: the APIs' own URLs over an endpoint.
target "gateway" {
  context    = "."
  dockerfile = "Dockerfile.gateway"
  platforms  = ["linux/amd64"]
  tags       = ["${REPOSITORY}-gateway:${VERSION}"]
  args = {
    BASE_IMAGE = BASE_IMAGE
  }
}
