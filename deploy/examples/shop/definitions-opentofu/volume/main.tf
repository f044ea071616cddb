# A volume is a folder. There is no provider for that which needs no download,
# so a script makes it, and another one takes it away again.

variable "folder" {
  type        = string
  description = "Where the volume lies: a folder that lasts."
}

variable "label" {
  type        = string
  description = "Whose it is, for whoever finds it on the disk."
}

resource "terraform_data" "folder" {
  input = {
    path  = "${var.folder}/volume"
    label = var.label
  }

  provisioner "local-exec" {
    command     = "mkdir -p -- \"$FOLDER\" && printf '%s\\n' \"$LABEL\" > \"$FOLDER.label\""
    environment = { FOLDER = self.input.path, LABEL = self.input.label }
  }

  # By what is remembered of it: when it is destroyed, variables are gone.
  provisioner "local-exec" {
    when        = destroy
    command     = "rm -rf -- \"$FOLDER\" \"$FOLDER.label\""
    environment = { FOLDER = self.output.path }
  }
}

output "path" {
  description = "The folder."
  value       = terraform_data.folder.output.path
}
