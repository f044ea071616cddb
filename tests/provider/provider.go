package main

import (
	"context"
	"os"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

type yardProvider struct{}

func (*yardProvider) Metadata(_ context.Context, _ provider.MetadataRequest, r *provider.MetadataResponse) {
	r.TypeName, r.Version = "yard", "1.0.0"
}

func (*yardProvider) Schema(_ context.Context, _ provider.SchemaRequest, r *provider.SchemaResponse) {
	r.Schema = schema.Schema{Attributes: map[string]schema.Attribute{
		"folder": schema.StringAttribute{Optional: true, Description: "Where the ships are; YARD_FOLDER when it is left out."},
	}}
}

func (*yardProvider) Configure(ctx context.Context, q provider.ConfigureRequest, r *provider.ConfigureResponse) {
	var given struct {
		Folder types.String `tfsdk:"folder"`
	}
	r.Diagnostics.Append(q.Config.Get(ctx, &given)...)
	folder := given.Folder.ValueString()
	if folder == "" {
		folder = os.Getenv("YARD_FOLDER")
	}
	r.ResourceData = &yard{folder: folder}
}

func (*yardProvider) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{func() resource.Resource { return &ship{} }}
}

func (*yardProvider) DataSources(context.Context) []func() datasource.DataSource { return nil }
