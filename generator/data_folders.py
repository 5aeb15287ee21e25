"""Names of the folders in a data directory; plugins and webapp use them too.

Those of each kind of model are in :data:`generator.models.kinds.FOLDERS_BY_KIND`.
"""

STATE_FOLDER = ".easel"  # the service's own: queue, hashes, tokens; never served
MODELS_FOLDER = "models"
EMBEDDINGS_FOLDER = "embeddings"
OUTPUTS_FOLDER = "outputs"
EXTENSIONS_FOLDER = "extensions"  # plugins
USERS_FOLDER = "users"  # trees like this one, of users with accounts
