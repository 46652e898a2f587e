"""A bucket of Amazon S3, or of a server that speaks its protocol (MinIO, Ceph, R2).

Belongs here: listing and copying objects, and what refusals mean. Does not belong here: which objects are taken.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from orchestration.sources.contract import Contract
from orchestration.sources.extract.environment import Environment, value_of
from orchestration.sources.extract.errors import AccessError, AnswerError, UnreachableError
from orchestration.sources.extract.files import RemoteFile
from orchestration.sources.landed import create
from orchestration.sources.servers import S3Server

ATTEMPTS = 4
_CHUNK = 1 << 20
_REFUSALS = {
    "AccessDenied", "AllAccessDisabled", "ExpiredToken", "Forbidden", "InvalidAccessKeyId", "InvalidToken",
    "SignatureDoesNotMatch", "401", "403",
}  # fmt: skip


class BucketPlace:
    """The objects below one prefix."""

    def __init__(self, contract: Contract, server: S3Server, prefix: str, environment: Environment | None) -> None:
        self.label = f"{contract.source}: s3://{server.bucket}/{prefix}"
        self._contract = contract
        self._server = server
        self._prefix = prefix
        self._environment = environment

    def files(self) -> Iterator[RemoteFile]:
        """Every object below the prefix; its version is its ETag. Raises AccessError, UnreachableError, AnswerError."""
        with self._told("cannot be listed"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._server.bucket, Prefix=self._prefix
            )
            for page in pages:
                for item in page.get("Contents", []):
                    name = item["Key"].removeprefix(self._prefix)
                    if name and not name.endswith("/"):
                        yield RemoteFile(name, item["ETag"].strip('"'), item["LastModified"])

    def copy(self, file: RemoteFile, target: Path) -> None:
        """Write exactly the listed version; a stream that breaks is begun anew. Raises as `files` does."""
        from botocore.exceptions import (
            HTTPClientError,
            IncompleteReadError,
            ReadTimeoutError,
            ResponseStreamingError,
        )

        broken = (HTTPClientError, IncompleteReadError, ReadTimeoutError, ResponseStreamingError)
        for attempt in range(1, ATTEMPTS + 1):
            with self._told(f"{file.name} cannot be copied"):
                try:
                    answer = self._client.get_object(
                        Bucket=self._server.bucket, Key=self._prefix + file.name, IfMatch=file.version
                    )
                    with create(target) as copy:
                        # The body raises IncompleteReadError when it ends before its announced length.
                        for chunk in answer["Body"].iter_chunks(_CHUNK):
                            copy.write(chunk)
                    return
                except broken:
                    if attempt == ATTEMPTS:
                        raise
                    time.sleep(0.2 * 2**attempt)

    @cached_property
    def _client(self) -> Any:
        import boto3
        from botocore import UNSIGNED
        from botocore.config import Config

        server = self._server
        credentials: dict[str, str] = {}
        if server.access_key_variable and server.secret_key_variable:
            credentials["aws_access_key_id"] = self._value(server.access_key_variable)
            credentials["aws_secret_access_key"] = self._value(server.secret_key_variable)
        if server.session_token_variable:
            credentials["aws_session_token"] = self._value(server.session_token_variable)
        config = Config(
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            connect_timeout=10,
            read_timeout=60,
            response_checksum_validation="when_required",
            # Servers other than Amazon's seldom have a name for each bucket.
            s3={"addressing_style": "path" if server.endpoint_url else "auto"},
            **({"signature_version": UNSIGNED} if server.anonymous else {}),
        )
        return boto3.session.Session().client(
            "s3",
            endpoint_url=server.endpoint_url,
            region_name=server.region or "us-east-1",
            config=config,
            **credentials,
        )

    def _value(self, variable: str) -> str:
        return value_of(self._contract, variable, self._environment)

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Say what an exception of the library means."""
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

        try:
            yield
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise AccessError(
                f"{self.label} {what}: no credentials. Name their environment variables in the contract's "
                "accessKeyVariable and secretKeyVariable, or set anonymous: true for a public bucket."
            ) from error
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in _REFUSALS:
                raise AccessError(
                    f"{self.label} {what}: {code}. Check the credentials and their right to list and read the bucket."
                ) from error
            if code == "NoSuchBucket":
                raise AnswerError(
                    f"{self.label}: there is no such bucket; correct servers[0].location (or endpointUrl) in the contract"
                ) from error
            if code in ("PreconditionFailed", "412", "NoSuchKey", "404"):
                raise UnreachableError(
                    f"{self.label} {what}: it changed after it was listed; run the day again"
                ) from error
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500 or code == "SlowDown":
                raise UnreachableError(f"{self.label} {what}: {code}; run the day again later") from error
            raise AnswerError(f"{self.label} {what}: {code}") from error
        except BotoCoreError as error:
            raise UnreachableError(
                f"{self.label} {what}: {type(error).__name__}. Check that the endpoint answers, then run the day again."
            ) from error
