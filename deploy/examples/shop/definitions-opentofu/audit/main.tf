# The journal of an audit: a folder, and in it a file for each year.

variable "folder" {
  type        = string
  description = "Where the journal lies: a folder that lasts."
}

variable "about" {
  type        = string
  description = "The bucket that it is about."
}

variable "years" {
  type        = number
  description = "For how long it is kept."
  default     = 7
}

variable "gibibytes_a_year" {
  type        = number
  description = "How much room a year wants."
  default     = 1048576
}

# The folder is a resource of its own. It is there, and known, when what is made
# in it fails: then to destroy the folder is to undo all of it. A script for the
# destruction of the failed one would not be run.
resource "terraform_data" "folder" {
  input = "${var.folder}/journal"

  provisioner "local-exec" {
    command     = "mkdir -p -- \"$FOLDER\""
    environment = { FOLDER = self.input }
  }

  provisioner "local-exec" {
    when        = destroy
    command     = "rm -rf -- \"$FOLDER\""
    environment = { FOLDER = self.output }
  }
}

resource "terraform_data" "journal" {
  input = terraform_data.folder.output

  provisioner "local-exec" {
    command = "sh \"$MODULE/begin.sh\""
    environment = {
      MODULE = abspath(path.module)
      FOLDER = self.input
      ABOUT  = var.about
      YEARS  = var.years
      GIB    = var.gibibytes_a_year
    }
  }
}

output "path" {
  description = "The folder."
  value       = terraform_data.journal.output
}
